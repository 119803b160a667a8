// A store in a bucket of an S3 store.  All state is in the bucket, so that servers on many machines can share it.
//
// A block is published by one PUT of one object, its head: blocks up to 8 MiB are in it, larger ones lie in parts
// beside it that nobody sees before.  The parts are objects, not parts of a multipart upload: those cannot be read
// before they are complete, and stores differ in what conditions of completion they heed.  The only condition that
// publication relies on is PUT with If-None-Match: *, and that is tried when the store is opened.
//
// What has expired is not there, and is removed by Maintain.  As stores ignore conditions of DELETE, the removal must
// not hit a block that was put in the meantime: who removes leaves a note, waits removal_delay, looks again at block
// and note, and removes within removal_window or not at all.  Who puts looks for notes at least as often as
// removal_delay, and puts once more if a note was followed by a removal.  A note that was seen for longer than both,
// and half a window more for what was on its way, was left over by a server that was killed: it holds up nobody any
// more, and goes.
//
// The time to live, the pin and the health of a block that was changed after its put lie in an object of their own.
// Who changes it writes the whole object, with If-Match where the store heeds that, which is tried too.  Elsewhere it
// reads once more: what another server has undone by then, with what it had read before, is written anew; what one
// undoes later is lost.
// Opening a block takes one request all the same: which blocks have one is listed every few seconds.  So a server may
// give out a block for S3Changes::kValidFor after another has shortened its time to live.
//
// With a capacity, Maintain evicts what was put or touched the longest time ago, in the same way, down to 90 % of it;
// what is pinned stays.  Reads are not recorded, so that they do not count as uses.  Room is made removal_delay after
// it was found missing: until then puts beyond the capacity are refused, and a put, a pin or a touch of what is about
// to go waits for that.  All servers on a bucket should have the same capacity.
//
// What is different from other backends: usage counts what this server put and deleted since Maintain counted all; so
// do quotas, and the capacity.  A block of several parts that is deleted stays readable for reader_grace.
#ifndef DCAC_SERVER_STORE_S3_STORE_H_
#define DCAC_SERVER_STORE_S3_STORE_H_

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/store/block_store.h"
#include "server/store/s3_client.h"

namespace dcac::store {

struct S3StoreOptions {
  S3ClientOptions client;  // its clock may be empty: the system's
  std::string prefix;      // of all names in the bucket: letters, digits and "-._/", at most 200
  StoreLimits limits;
  std::chrono::milliseconds sweep_interval{600'000};  // between counts of all blocks by Maintain
  std::chrono::milliseconds removal_delay{40'000};
  std::chrono::milliseconds removal_window{60'000};  // after removal_delay, in which it is done or given up
  std::chrono::milliseconds reader_grace{300'000};
  std::chrono::milliseconds probe_for{10'000};  // how long opening waits for an answer
  std::function<Time()> clock;                  // of blocks; empty: the system's
};

// "BUCKET[/PREFIX]" with credentials, region and endpoint of the environment.
// Errors: InvalidArgument, FailedPrecondition (no credentials).
absl::StatusOr<S3StoreOptions> S3StoreOptionsOf(const std::string& place, const Environment& environment);

// Readers and uploads must not outlive the store.  Errors: InvalidArgument, those of S3Client.
absl::StatusOr<std::unique_ptr<BlockStore>> OpenS3Store(S3StoreOptions options);

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_S3_STORE_H_
