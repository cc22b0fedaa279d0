// ExpectInvalid: what a call has against its arguments.
#pragma once

#include <string>

#include <dbos/errors.h>

#include "gtest/gtest.h"

namespace dbos::testing {

template <class F>
void ExpectInvalid(F&& call, const std::string& part) {
  try {
    call();
    ADD_FAILURE() << "nothing was thrown; expected: " << part;
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

}  // namespace dbos::testing
