#!/bin/sh
# check_install.sh BUILD_FOLDER core|client
# Installs a build into a scratch folder, then builds and runs the project in consumer/ against it.
set -eu
build=$1
component=$2
consumer=$(cd "$(dirname "$0")" && pwd)/consumer
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cmake --install "$build" --prefix "$scratch/prefix" >/dev/null
set -- -DCONSUMER_COMPONENT="$component" -DCMAKE_PREFIX_PATH="$scratch/prefix"
if [ "$component" = core ]; then
  set -- "$@" -DCMAKE_DISABLE_FIND_PACKAGE_gRPC=ON -DCMAKE_DISABLE_FIND_PACKAGE_Protobuf=ON
fi
# The consumer must be compiled as the libraries were, sanitizers included.
flags=$(sed -n 's/^CMAKE_CXX_FLAGS:STRING=//p' "$build/CMakeCache.txt")
compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")
cmake -G Ninja -S "$consumer" -B "$scratch/build" "$@" -DCMAKE_CXX_FLAGS="$flags" -DCMAKE_CXX_COMPILER="$compiler"
cmake --build "$scratch/build"
"$scratch/build/consumer"
