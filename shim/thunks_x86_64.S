/* The thunk pool for x86-64 (System V ABI).

   A thunk hands the address of its entry to the common tail in %r11, the one register that the ABI leaves free at
   function entry. The tail passes it to pythonnogil_dispatch as the seventh integer argument, which travels on
   the stack; the six arguments of the guarded function stay in their registers, untouched. The CFI below is
   complete, so debuggers, profilers, exceptions and forced unwinding pass through. */

    .set thunk_count, 65536
    .set entry_size, 32

    .text
    .p2align 4
    .globl pythonnogil_thunks
    .hidden pythonnogil_thunks
    .type pythonnogil_thunks, @function
pythonnogil_thunks:
    .cfi_startproc
    .set entry_offset, 0
    .rept thunk_count
    endbr64
    leaq pythonnogil_entries + entry_offset(%rip), %r11
    jmp pythonnogil_guarded_call
    .p2align 4
    .set entry_offset, entry_offset + entry_size
    .endr
    .cfi_endproc
    .size pythonnogil_thunks, . - pythonnogil_thunks

    .p2align 4
    .globl pythonnogil_guarded_call
    .hidden pythonnogil_guarded_call
    .type pythonnogil_guarded_call, @function
pythonnogil_guarded_call:
    .cfi_startproc
    pushq %r11
    .cfi_adjust_cfa_offset 8
    call pythonnogil_dispatch
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    ret
    .cfi_endproc
    .size pythonnogil_guarded_call, . - pythonnogil_guarded_call

/* Every thunk begins with a landing pad, and each return has its call. The linker
   marks a library as fit for IBT and SHSTK only if all of its objects are so marked. */
    .section .note.gnu.property, "a"
    .p2align 3
    .long 4             /* size of the name */
    .long 16            /* size of the description */
    .long 5             /* NT_GNU_PROPERTY_TYPE_0 */
    .asciz "GNU"
    .long 0xc0000002    /* GNU_PROPERTY_X86_FEATURE_1_AND */
    .long 4             /* size of the value */
    .long 3             /* IBT and SHSTK */
    .long 0             /* padding */

    .section .note.GNU-stack, "", @progbits
