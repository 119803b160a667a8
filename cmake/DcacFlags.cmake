# What every target of ours is compiled with, as the interface target dcac_flags.  Generated code does not link it.
add_library(dcac_flags INTERFACE)
target_compile_options(dcac_flags INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  -Wno-missing-field-initializers  # designated initialisers leave the other members at their defaults on purpose
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>  # GCC 12 sees overlaps in std::string's operator+ that are not there
  $<$<BOOL:${DCAC_WERROR}>:-Werror>
  # Encoder and decoder must compute the same bits everywhere: no fused or reordered floating-point operation.
  -fno-fast-math -ffp-contract=off)

# Those options undo what a user's flags did to our code, but not the start-up object that such flags link and that sets
# the processor to flush denormals.
string(TOUPPER "${CMAKE_BUILD_TYPE}" dcac_build_type)
if("${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${dcac_build_type}} ${CMAKE_EXE_LINKER_FLAGS}"
   MATCHES "-ffast-math|-Ofast|-funsafe-math-optimizations")
  message(FATAL_ERROR "dcac cannot be built with ${CMAKE_MATCH_0}: frames would differ between builds")
endif()
