/* call_with_known_registers(function, after): see thunks_test.cpp. */

    .text
    .globl call_with_known_registers
    .type call_with_known_registers, %function
call_with_known_registers:
    .cfi_startproc
    stp x29, x30, [sp, #-112]!
    .cfi_adjust_cfa_offset 112
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    str x1, [sp, #96]
    mov x19, #1
    mov x20, #2
    mov x21, #3
    mov x22, #4
    mov x23, #5
    mov x24, #6
    mov x25, #7
    mov x26, #8
    mov x27, #9
    mov x28, #10
    mov x29, #11
    blr x0
    ldr x1, [sp, #96]
    stp x19, x20, [x1, #0]
    stp x21, x22, [x1, #16]
    stp x23, x24, [x1, #32]
    stp x25, x26, [x1, #48]
    stp x27, x28, [x1, #64]
    str x29, [x1, #80]
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp x29, x30, [sp], #112
    .cfi_adjust_cfa_offset -112
    ret
    .cfi_endproc
    .size call_with_known_registers, . - call_with_known_registers

    .section .note.GNU-stack, "", %progbits
