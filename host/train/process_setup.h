// What every process of ranks needs once.
//
// Threads and ranks: the program's main thread, before it starts others.
#pragma once

namespace trainhost::train {

/// MKL's vector math keeps the kind of the processor in a variable that it fills in two steps,
/// without a lock, when it is first used: a thread that reads between them runs other code, whose
/// results differ in the last bit. So its first use is here, while there is one thread.
void settle_vector_math();

}  // namespace trainhost::train
