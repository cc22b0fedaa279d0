# Installs the client: headers, libraries, the generated proto headers for raw stubs, CMake package, pkg-config file.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/dbos)
set_target_properties(dbos_proto PROPERTIES EXPORT_NAME proto)
target_include_directories(dbos_proto SYSTEM INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_include_directories(dbos_client INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

install(TARGETS dbos_client dbos_proto EXPORT dbos-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        COMPONENT client)
install(DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/include/dbos DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT client)
get_target_property(proto_headers dbos_proto DBOS_GENERATED_HEADERS)
install(FILES ${proto_headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/dbos/v1 COMPONENT client)
install(EXPORT dbos-targets NAMESPACE dbos:: DESTINATION ${package_dir} COMPONENT client)

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/dbos-config.cmake.in
  ${CMAKE_CURRENT_BINARY_DIR}/dbos-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/dbos-config-version.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/dbos-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/dbos-config-version.cmake
        DESTINATION ${package_dir} COMPONENT client)

# Relative, so that the installed tree can be moved.
file(RELATIVE_PATH prefix_from_pc ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(${CMAKE_CURRENT_LIST_DIR}/dbos-client.pc.in ${CMAKE_CURRENT_BINARY_DIR}/dbos-client.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/dbos-client.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
        COMPONENT client)
