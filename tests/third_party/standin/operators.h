// The operators of the backend.
#pragma once

namespace standin {

void register_operators();
void register_sparse_operators();

}  // namespace standin
