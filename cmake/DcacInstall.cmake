# Libraries, headers and the files that find_package(dcac) reads.  Each component has its own export set, so that core
# alone can be used where gRPC is not installed.
include(CMakePackageConfigHelpers)

set(dcac_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/dcac)

# Installs the library targets that exist among ARGN as component `component`.
function(dcac_install_component component)
  foreach(target IN LISTS ARGN)
    if(NOT TARGET ${target})
      continue()
    endif()
    get_target_property(header_sets ${target} INTERFACE_HEADER_SETS)
    set(headers)
    if(header_sets)
      set(headers FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT ${component})
    endif()
    install(TARGETS ${target} EXPORT dcac_${component}
      ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT ${component} ${headers})
    set(exported TRUE)
  endforeach()
  if(exported)
    install(EXPORT dcac_${component} NAMESPACE dcac:: FILE dcac-${component}-targets.cmake
      DESTINATION ${dcac_package_dir} COMPONENT ${component})
  endif()
endfunction()

dcac_install_component(core dcac_core)
dcac_install_component(client dcac_proto dcac_wire dcac_client)

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/dcacConfig.cmake.in ${PROJECT_BINARY_DIR}/dcacConfig.cmake
  INSTALL_DESTINATION ${dcac_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/dcacConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/dcacConfig.cmake ${PROJECT_BINARY_DIR}/dcacConfigVersion.cmake
  ${PROJECT_SOURCE_DIR}/cmake/DcacCoreDependencies.cmake ${PROJECT_SOURCE_DIR}/cmake/DcacServiceDependencies.cmake
  DESTINATION ${dcac_package_dir} COMPONENT core)
