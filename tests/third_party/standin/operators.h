// The operators of the backend.
#pragma once

namespace standin {

void register_operators();

}  // namespace standin
