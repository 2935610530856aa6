#include "gradient_slice.h"

#include <algorithm>

namespace zero {
namespace {

/// A gradient as rows, some of them perhaps more than once.
struct Rows {
  at::Tensor index;   // i64 [n]
  at::Tensor values;  // [n, width]
  std::int64_t width;
};

Rows rows_of(const at::Tensor& gradient) {
  const std::int64_t width = gradient.numel() / std::max<std::int64_t>(1, gradient.size(0));
  return {gradient._indices().select(0, 0), gradient._values().reshape({-1, width}), width};
}

/// Adds what there is of whole rows [first, last) to out, where they lie side by side.
void add_whole(const Rows& rows, std::int64_t first, std::int64_t last, const at::Tensor& out) {
  const at::Tensor chosen =
      rows.index.ge(first).logical_and_(rows.index.lt(last)).nonzero().view({-1});
  if (chosen.numel() == 0) return;
  out.view({-1, rows.width})
      .index_add_(0, rows.index.index_select(0, chosen).sub(first),
                  rows.values.index_select(0, chosen).to(out.scalar_type()));
}

/// Adds the columns [begin, end) of a row.
void add_part(const Rows& rows, std::int64_t row, std::int64_t begin, std::int64_t end,
              const at::Tensor& out) {
  add_whole({rows.index, rows.values.narrow(1, begin, end - begin), end - begin}, row, row + 1,
            out);
}

void copy_rows(const Rows& rows, std::int64_t offset, const at::Tensor& out) {
  const std::int64_t end = offset + out.numel(), width = rows.width;
  out.zero_();
  std::int64_t at = offset;
  while (at < end) {
    const std::int64_t row = at / width, column = at % width;
    const std::int64_t whole = column == 0 ? (end - at) / width : 0;
    const std::int64_t count = whole > 0 ? whole * width : std::min(end - at, width - column);
    const at::Tensor place = out.narrow(0, at - offset, count);
    if (whole > 0) {
      add_whole(rows, row, row + whole, place);
    } else {
      add_part(rows, row, column, column + count, place);
    }
    at += count;
  }
}

}  // namespace

void copy_slice(const at::Tensor& gradient, std::int64_t offset, const at::Tensor& out) {
  if (gradient.is_sparse()) {
    copy_rows(rows_of(gradient), offset, out);
  } else {
    out.copy_(gradient.view({-1}).narrow(0, offset, out.numel()));
  }
}

}  // namespace zero
