// The C-API functions that legacy images call through us, and what each does instead.
//
// Every replacement has the signature and the documented behaviour of the function it stands for;
// what it adds is said in the file that defines it (hooks_*.cpp).
#pragma once

#include "shim/interposer.hpp"

namespace pythonnogil::shim {

// Only what must answer for the module: what it declares is seen, nothing is guarded.
const InterpositionTable& answering_functions();

// Everything: answers, entries, borrowed references, calls out, threads.
const InterpositionTable& guarding_functions();

// Answers and entries, for a module whose calls are witnessed but not guarded.
const InterpositionTable& witnessing_functions();

}  // namespace pythonnogil::shim
