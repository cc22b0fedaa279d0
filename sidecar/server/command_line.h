// The command line: subcommands, flags and help.
#pragma once

namespace dbos::sidecar {

// Parses, runs, and returns the exit code.
int RunCommandLine(int argc, char** argv);

}  // namespace dbos::sidecar
