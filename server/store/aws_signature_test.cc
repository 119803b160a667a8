#include "server/store/aws_signature.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"

namespace dcac::store {
namespace {

using std::chrono::seconds;

// The keys of AWS's own examples.
const AwsCredentials kSuite{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""};
const AwsCredentials kS3Example{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};

std::string SignatureOf(const SignedParts& request) {
  const std::string& value = request.headers.at("authorization");
  return value.substr(value.rfind('=') + 1);
}

TEST(AwsSignature, IsThatOfTheTestSuite) {
  SignedParts request{"GET", "/", {}, {{"host", "example.amazonaws.com"}}};
  SignRequest(kSuite, "us-east-1", "service", Sha256Hex(""), Time(seconds(1440938160)), request);
  EXPECT_EQ(request.headers["x-amz-date"], "20150830T123600Z");
  EXPECT_EQ(SignatureOf(request), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

TEST(AwsSignature, SortsQueries) {
  SignedParts request{"GET", "/", {{"Param2", "value2"}, {"Param1", "value1"}}, {{"host", "example.amazonaws.com"}}};
  SignRequest(kSuite, "us-east-1", "service", Sha256Hex(""), Time(seconds(1440938160)), request);
  EXPECT_EQ(SignatureOf(request), "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
}

TEST(AwsSignature, IsThatOfTheExampleOfS3) {
  SignedParts request{
      "GET",
      "/test.txt",
      {},
      {{"host", "examplebucket.s3.amazonaws.com"}, {"range", "bytes=0-9"}, {"x-amz-content-sha256", Sha256Hex("")}}};
  SignRequest(kS3Example, "us-east-1", "s3", Sha256Hex(""), Time(seconds(1369353600)), request);
  EXPECT_EQ(SignatureOf(request), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(AwsSignature, SignsTheSessionToken) {
  SignedParts request{"GET", "/", {}, {{"host", "h"}}};
  SignRequest({"id", "secret", "token"}, "r", "s3", "UNSIGNED-PAYLOAD", Time(seconds(1)), request);
  EXPECT_EQ(request.headers["x-amz-security-token"], "token");
  EXPECT_TRUE(absl::StrContains(request.headers["authorization"], "host;x-amz-date;x-amz-security-token"));
}

TEST(AwsSignature, EncodesAllButWhatIsUnreserved) {
  EXPECT_EQ(UriEncoded("a/b c=~\xc3\xbc", false), "a%2Fb%20c%3D~%C3%BC");
  EXPECT_EQ(UriEncoded("a/b!", true), "a/b%21");
}

}  // namespace
}  // namespace dcac::store
