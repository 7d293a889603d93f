/* The thunk pool for AArch64 (AAPCS64).

   The six arguments of a guarded function travel in x0 to x5, so the address of the entry can travel in x6 and the
   thunk is a plain tail call: nothing is pushed, and the default CFI is complete. */

    .set thunk_count, 65536
    .set entry_size, 32

    .text
    .p2align 4
    .globl pythonnogil_thunks
    .hidden pythonnogil_thunks
    .type pythonnogil_thunks, %function
pythonnogil_thunks:
    .cfi_startproc
    .set entry_offset, 0
    .rept thunk_count
    hint #34 /* bti c */
    adrp x6, pythonnogil_entries + entry_offset
    add x6, x6, :lo12:pythonnogil_entries + entry_offset
    b pythonnogil_dispatch
    .set entry_offset, entry_offset + entry_size
    .endr
    .cfi_endproc
    .size pythonnogil_thunks, . - pythonnogil_thunks

/* Every thunk begins with a landing pad, and none stores a return address. The linker
   marks a library as fit for BTI and PAC only if all of its objects are so marked. */
    .section .note.gnu.property, "a"
    .p2align 3
    .long 4             /* size of the name */
    .long 16            /* size of the description */
    .long 5             /* NT_GNU_PROPERTY_TYPE_0 */
    .asciz "GNU"
    .long 0xc0000000    /* GNU_PROPERTY_AARCH64_FEATURE_1_AND */
    .long 4             /* size of the value */
    .long 3             /* BTI and PAC */
    .long 0             /* padding */

    .section .note.GNU-stack, "", %progbits
