// Matchers for what a server has to say of a reload: one notice, with a text that has `part`.
#ifndef DCAC_TESTS_INTEGRATION_NOTICES_H_
#define DCAC_TESTS_INTEGRATION_NOTICES_H_

#include <gmock/gmock.h>

#include <string>

namespace dcac::testing {

inline auto News(const std::string& part) {
  return ::testing::ElementsAre(::testing::FieldsAre(false, ::testing::HasSubstr(part)));
}

inline auto Problem(const std::string& part) {
  return ::testing::ElementsAre(::testing::FieldsAre(true, ::testing::HasSubstr(part)));
}

}  // namespace dcac::testing

#endif  // DCAC_TESTS_INTEGRATION_NOTICES_H_
