// The stand-in as ATen's PrivateUse1.
#pragma once

namespace standin {

/// Registers name, allocator, guard, hooks and operators; once a process.
void install_backend();

}  // namespace standin
