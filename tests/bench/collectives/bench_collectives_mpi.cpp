// bench_collectives_mpi: the same loops over OpenMPI; run it under mpirun. One JSON line.
#include <mpi.h>

#include <iostream>
#include <memory>
#include <vector>

#include "measure.h"

namespace {

bench::Library library(int world) {
  bench::Library out;
  out.calls = [world](std::size_t bytes) {
    const std::size_t elements = bytes / 4;
    const int total = static_cast<int>(elements), share = total / world;
    // Shared with the calls below, which are copied.
    const auto whole = std::make_shared<std::vector<float>>(elements, 1.0f);
    const auto result = std::make_shared<std::vector<float>>(elements, 1.0f);
    const auto part =
        std::make_shared<std::vector<float>>(elements / static_cast<std::size_t>(world), 1.0f);
    return std::map<std::string, std::function<void()>>{
        {"all_reduce",
         [=] {
           MPI_Allreduce(whole->data(), result->data(), total, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
         }},
        {"reduce_scatter",
         [=] {
           MPI_Reduce_scatter_block(whole->data(), part->data(), share, MPI_FLOAT, MPI_SUM,
                                    MPI_COMM_WORLD);
         }},
        {"all_gather", [=] {
           MPI_Allgather(part->data(), share, MPI_FLOAT, whole->data(), share, MPI_FLOAT,
                         MPI_COMM_WORLD);
         }}};
  };
  out.barrier = [] { MPI_Barrier(MPI_COMM_WORLD); };
  out.slowest = [](double value) {
    double slowest = 0;
    MPI_Allreduce(&value, &slowest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    return slowest;
  };
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0, world = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &world);
  const std::string results = bench::measure(library(world));
  if (rank == 0) {
    std::cout << "{\"library\": \"openmpi\", \"ranks\": " << world
              << ", \"microseconds\": {\"plain\": " << results << "}}\n";
  }
  MPI_Finalize();
}
