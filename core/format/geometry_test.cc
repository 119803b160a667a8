#include "core/format/geometry.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace dcac {
namespace {

// Every sample in one segment; slabs contiguous, and the union of their segments.  For tensors small enough to mark.
void CheckGrid(const Geometry& geometry) {
  const Extents& e = geometry.extents();
  const uint64_t rows = e.items * e.units() * e.height;  // of units
  std::vector<int> owner(rows, -1);
  uint64_t slab_row = 0;
  ASSERT_EQ(geometry.num_segments(), geometry.num_slabs() * geometry.segments_per_slab());
  for (uint64_t slab = 0; slab < geometry.num_slabs(); ++slab) {
    const Box whole = geometry.SlabBox(slab);
    ASSERT_LE(geometry.SegmentBytes(whole), geometry.max_slab_bytes());
    const uint64_t slab_rows = whole.items() * whole.planes() / e.unit * whole.rows();
    for (uint64_t i = 0; i < geometry.segments_per_slab(); ++i) {
      const uint64_t segment = slab * geometry.segments_per_slab() + i;
      const Box box = geometry.SegmentBox(segment);
      ASSERT_GT(box.items() * box.planes() * box.rows(), 0u);
      ASSERT_LE(box.item_end, e.items);
      ASSERT_LE(box.plane_end, e.planes);
      ASSERT_LE(box.row_end, e.height);
      ASSERT_LE(box.items() * box.planes() * box.rows() * e.width, kMaxSegmentSamples);
      for (uint64_t item = box.item_begin; item < box.item_end; ++item) {
        for (uint64_t plane = box.plane_begin; plane < box.plane_end; plane += e.unit) {
          for (uint64_t row = box.row_begin; row < box.row_end; ++row) {
            const uint64_t at = (item * e.units() + plane / e.unit) * e.height + row;
            ASSERT_EQ(owner[at], -1);
            owner[at] = static_cast<int>(segment);
            ASSERT_GE(at, slab_row);
            ASSERT_LT(at, slab_row + slab_rows);
          }
        }
      }
    }
    slab_row += slab_rows;
  }
  EXPECT_EQ(slab_row, rows);
  for (int segment : owner) ASSERT_NE(segment, -1);
}

TEST(ExtentsTest, AxesByRank) {
  const auto extents = [](std::vector<uint64_t> shape) {
    const Extents e = ExtentsOf({DType::kF16, std::move(shape)});
    return std::vector<uint64_t>{e.items, e.planes, e.height, e.width, e.sample_bytes};
  };
  EXPECT_EQ(extents({}), (std::vector<uint64_t>{1, 1, 1, 1, 2}));
  EXPECT_EQ(extents({5}), (std::vector<uint64_t>{1, 1, 1, 5, 2}));
  EXPECT_EQ(extents({4, 5}), (std::vector<uint64_t>{1, 1, 4, 5, 2}));
  EXPECT_EQ(extents({3, 4, 5}), (std::vector<uint64_t>{1, 3, 4, 5, 2}));
  EXPECT_EQ(extents({2, 3, 4, 5}), (std::vector<uint64_t>{2, 3, 4, 5, 2}));
  EXPECT_EQ(extents({7, 2, 3, 4, 5}), (std::vector<uint64_t>{14, 3, 4, 5, 2}));
}

TEST(ExtentsTest, RowsBeyondTheLimitBecomeItems) {
  const Extents widest = ExtentsOf({DType::kU8, {2, 3, 4, 65536}});
  EXPECT_EQ(widest.width, 65536u);
  const Extents wider = ExtentsOf({DType::kU8, {2, 3, 4, 65537}});
  EXPECT_EQ(wider.items, 2u * 3 * 4 * 65537);
  EXPECT_EQ(wider.planes * wider.height * wider.width, 1u);
}

TEST(ExtentsTest, EmptyWhereAnyAxisIs) {
  for (size_t axis = 0; axis < 5; ++axis) {
    std::vector<uint64_t> shape = {2, 3, 4, 5, 100000};
    shape[axis] = 0;
    EXPECT_TRUE(ExtentsOf({DType::kU8, shape}).empty()) << axis;
  }
}

TEST(GeometryTest, CreateRefusesStepsOutOfRange) {
  const Extents e = ExtentsOf({DType::kU8, {2, 3, 4, 5}});
  EXPECT_TRUE(Geometry::Create(e, 2, 3, 4).ok());
  EXPECT_FALSE(Geometry::Create(e, 0, 3, 4).ok());
  EXPECT_FALSE(Geometry::Create(e, 3, 3, 4).ok());
  EXPECT_FALSE(Geometry::Create(e, 2, 4, 4).ok());
  EXPECT_FALSE(Geometry::Create(e, 2, 3, 5).ok());
  EXPECT_FALSE(Geometry::Create(e, 1, 1, 0).ok());
}

TEST(GeometryTest, CreateRefusesItemsTogetherWithAPartOfThePlanes) {
  const Extents e = ExtentsOf({DType::kU8, {2, 3, 4, 5}});
  EXPECT_FALSE(Geometry::Create(e, 2, 2, 4).ok());
  EXPECT_TRUE(Geometry::Create(e, 1, 2, 4).ok());
}

TEST(GeometryTest, CreateBoundsTheSegment) {
  const Extents e = ExtentsOf({DType::kU8, {1, 2, 1024, 65536}});
  EXPECT_TRUE(Geometry::Create(e, 1, 1, 256).ok());
  EXPECT_FALSE(Geometry::Create(e, 1, 2, 129).ok());
}

TEST(GeometryTest, AnEmptyTensorHasNoSegments) {
  const auto g = Geometry::Create(ExtentsOf({DType::kU8, {2, 0, 4}}), 9, 9, 9);
  ASSERT_TRUE(g.ok());
  EXPECT_EQ(g->num_segments(), 0u);
  EXPECT_EQ(g->num_slabs(), 0u);
  EXPECT_EQ(g->max_slab_bytes(), 0u);
}

TEST(GeometryTest, BandsOfSinglePlanesAreSlabsOfTheirOwn) {
  const Extents e = ExtentsOf({DType::kU8, {2, 3, 9, 5}});
  const Geometry bands = *Geometry::Create(e, 1, 1, 4);
  EXPECT_EQ(bands.segments_per_slab(), 1u);
  EXPECT_EQ(bands.num_slabs(), 2u * 3 * 3);
  const Geometry groups = *Geometry::Create(e, 1, 2, 4);
  EXPECT_EQ(groups.segments_per_slab(), 3u);
  EXPECT_EQ(groups.num_slabs(), 2u * 2);
}

TEST(GeometryTest, EveryGridCoversEverySampleOnce) {
  std::mt19937_64 random(1);
  const auto below = [&](uint64_t n) { return random() % n; };
  for (int round = 0; round < 1500; ++round) {
    const Extents e = ExtentsOf({DType::kU16, {1 + below(6), 1 + below(7), 1 + below(20), 1 + below(3)}});
    const uint64_t plane_step = 1 + below(e.planes);
    const uint64_t item_step = plane_step == e.planes ? 1 + below(e.items) : 1;
    const auto geometry = Geometry::Create(e, item_step, plane_step, 1 + below(e.height));
    ASSERT_TRUE(geometry.ok()) << geometry.status();
    CheckGrid(*geometry);
    if (HasFatalFailure()) return;
  }
}

TEST(GeometryTest, TheChosenGridCoversEverySampleOnce) {
  std::mt19937_64 random(2);
  const auto up_to_bits = [&](int bits) {
    return 1 + random() % (uint64_t{1} << random() % static_cast<uint64_t>(bits + 1));
  };
  for (int round = 0; round < 1500; ++round) {
    EncodeOptions options;
    options.segment_bytes = 4096 + random() % 30000;
    const DType dtype = AllDTypes()[random() % AllDTypes().size()];
    const Layout layout = AllLayouts()[random() % AllLayouts().size()];
    const Extents e = ExtentsOf({dtype, {up_to_bits(4), up_to_bits(6), up_to_bits(8), up_to_bits(10)}, layout});
    CheckGrid(Geometry::Choose(e, options));
    if (HasFatalFailure()) return;
  }
}

// What a decoder with its default limits accepts, for every shape and every segment size the options allow.
TEST(GeometryTest, TheChosenGridKeepsTheFormatsLimitsForAnyShape) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 200000; ++round) {
    EncodeOptions options;
    options.segment_bytes = EncodeOptions::kMinSegmentBytes << random() % 13;
    if (random() % 2 == 0) options.segment_bytes = EncodeOptions::kMaxSegmentBytes - random() % 1000000;
    TensorSpec spec{AllDTypes()[random() % AllDTypes().size()], {}, AllLayouts()[random() % AllLayouts().size()]};
    int bits = 60;
    for (size_t rank = random() % 9; rank > 0; --rank) {
      const int taken = static_cast<int>(random() % 20);
      spec.shape.push_back((uint64_t{1} << std::min(taken, bits)) +
                           (taken < bits ? random() % (uint64_t{1} << std::min(taken, bits)) : 0));
      bits = std::max(0, bits - taken - 1);
    }
    const auto bytes = TensorBytes(spec);
    if (!bytes.ok()) continue;
    const Geometry g = Geometry::Choose(ExtentsOf(spec), options);
    ASSERT_LE(g.SegmentBytes(0) / g.extents().sample_bytes, kMaxSegmentSamples) << ShapeToString(spec.shape);
    ASSERT_LE(g.max_slab_bytes(), DecodeLimits().max_slab_bytes)
        << DTypeName(spec.dtype) << LayoutName(spec.layout) << ShapeToString(spec.shape) << " segment_bytes "
        << options.segment_bytes;
    ASSERT_GE(g.num_segments(), 1u);
  }
}

// The least bands of many wide planes, and items that share a segment, once exceeded the largest segment.
TEST(GeometryTest, LargeSegmentBytesStayWithinTheLargestSegment) {
  EncodeOptions options;
  options.segment_bytes = 16u << 20;
  EXPECT_LE(Geometry::Choose(ExtentsOf({DType::kU8, {1000, 8, 16000}}), options).SegmentBytes(0), kMaxSegmentSamples);
  options.segment_bytes = EncodeOptions::kMaxSegmentBytes;
  EXPECT_LE(Geometry::Choose(ExtentsOf({DType::kU8, {8, 100, 8, 65536}}), options).SegmentBytes(0), kMaxSegmentSamples);
}

TEST(GeometryTest, SegmentsOfTokensAreLargerUnlessTold) {
  const auto segments = [](Layout layout, const EncodeOptions& options) {
    return Geometry::Choose(ExtentsOf({DType::kBF16, {1024, 64, 64}, layout}), options).num_segments();
  };
  constexpr uint64_t kMegabytes = 8;
  EXPECT_EQ(segments(Layout::kNchw, {}), kMegabytes / 2);
  EXPECT_EQ(segments(Layout::kTokens, {}), kMegabytes / 4);
  EXPECT_EQ(segments(Layout::kHeads, {}), kMegabytes / 4);
  EXPECT_EQ(segments(Layout::kTokens, {.segment_bytes = 1u << 20}), kMegabytes);
}

TEST(GeometryTest, TheLargestTensorsHaveAGrid) {
  for (std::vector<uint64_t> shape : std::vector<std::vector<uint64_t>>{{uint64_t{1} << 62},
                                                                        {uint64_t{1} << 62, 1},
                                                                        {uint64_t{1} << 46, 65536},
                                                                        {uint64_t{1} << 62, 1, 1},
                                                                        {uint64_t{1} << 62, 1, 1, 1},
                                                                        {1, uint64_t{1} << 31, uint64_t{1} << 31},
                                                                        {uint64_t{1} << 31, 1, uint64_t{1} << 31, 1}}) {
    const Geometry g = Geometry::Choose(ExtentsOf({DType::kU8, shape}), EncodeOptions());
    const Box last = g.SegmentBox(g.num_segments() - 1);
    EXPECT_EQ(last.item_end, g.extents().items) << ShapeToString(shape);
    EXPECT_EQ(last.plane_end, g.extents().planes);
    EXPECT_EQ(last.row_end, g.extents().height);
    EXPECT_LE(g.max_slab_bytes(), DecodeLimits().max_slab_bytes);
  }
}

TEST(BoxTest, ScatterUndoesGather) {
  std::mt19937_64 random(4);
  const Extents e = ExtentsOf({DType::kI16, {3, 4, 10, 3}});
  for (const auto& steps : std::vector<std::array<uint64_t, 3>>{{2, 4, 3}, {1, 3, 4}, {1, 1, 7}, {3, 4, 10}}) {
    const Geometry g = *Geometry::Create(e, steps[0], steps[1], steps[2]);
    for (uint64_t slab = 0; slab < g.num_slabs(); ++slab) {
      const Box whole = g.SlabBox(slab);
      std::vector<std::byte> data(g.SegmentBytes(whole)), restored(data.size());
      for (std::byte& b : data) b = static_cast<std::byte>(random());
      for (uint64_t i = 0; i < g.segments_per_slab(); ++i) {
        const Box box = g.SegmentBox(slab * g.segments_per_slab() + i);
        std::vector<std::byte> packed(g.SegmentBytes(box));
        GatherBox(e, whole, box, data.data(), packed.data());
        ScatterBox(e, whole, box, packed.data(), restored.data());
      }
      EXPECT_EQ(data, restored);
    }
  }
}

TEST(BoxTest, GatherPacksPlanesOfTheFirstItemFirst) {
  const Extents e = ExtentsOf({DType::kU8, {2, 2, 3, 1}});
  const Geometry g = *Geometry::Create(e, 2, 2, 2);
  std::vector<std::byte> data;
  for (int i = 0; i < 12; ++i) data.push_back(static_cast<std::byte>(i));
  std::vector<std::byte> packed(8);
  GatherBox(e, g.SlabBox(0), g.SegmentBox(0), data.data(), packed.data());
  const int expected[] = {0, 1, 3, 4, 6, 7, 9, 10};
  for (size_t i = 0; i < 8; ++i) EXPECT_EQ(std::to_integer<int>(packed[i]), expected[i]);
}

TEST(ExtentsTest, AxesOfEveryLayout) {
  const auto extents = [](Layout layout, std::vector<uint64_t> shape, DType dtype = DType::kF32) {
    const Extents e = ExtentsOf({dtype, std::move(shape), layout});
    return std::vector<uint64_t>{e.items, e.planes, e.height, e.width, e.unit, e.sample_bytes};
  };
  using Values = std::vector<uint64_t>;
  EXPECT_EQ(extents(Layout::kNhwc, {7, 2, 3, 4, 5}), (Values{14, 5, 3, 4, 5, 4}));
  EXPECT_EQ(extents(Layout::kTokens, {2, 3, 4, 5}), (Values{6, 5, 4, 1, 5, 4}));
  EXPECT_EQ(extents(Layout::kTokens, {4, 5}), (Values{1, 5, 4, 1, 5, 4}));
  EXPECT_EQ(extents(Layout::kHeads, {2, 3, 4, 5}), (Values{2, 15, 4, 1, 5, 4}));
  EXPECT_EQ(extents(Layout::kFlat, {2, 3, 4, 5}), (Values{120, 1, 1, 1, 1, 4}));
  EXPECT_EQ(extents(Layout::kNchw, {2, 3, 4, 5}, DType::kC128), (Values{2, 6, 4, 5, 2, 8}));
  EXPECT_EQ(extents(Layout::kNhwc, {2, 3, 4, 5}, DType::kC64), (Values{2, 10, 3, 4, 10, 4}));
  EXPECT_EQ(extents(Layout::kTokens, {2, 4, 5}, DType::kC64), (Values{2, 10, 4, 1, 10, 4}));
  EXPECT_EQ(extents(Layout::kHeads, {3, 4, 5}, DType::kC64), (Values{1, 30, 4, 1, 10, 4}));
  EXPECT_EQ(extents(Layout::kFlat, {3, 4}, DType::kC64), (Values{12, 2, 1, 1, 2, 4}));
}

TEST(ExtentsTest, RowsBeyondTheLimitsAreFlat) {
  const auto is_flat = [](Layout layout, std::vector<uint64_t> shape, DType dtype = DType::kU8) {
    return ExtentsOf({dtype, std::move(shape), layout}).layout == Layout::kFlat;
  };
  EXPECT_FALSE(is_flat(Layout::kNchw, {2, 65536}));
  EXPECT_TRUE(is_flat(Layout::kNchw, {2, 65537}));
  EXPECT_FALSE(is_flat(Layout::kNchw, {2, 65536}, DType::kC64));
  EXPECT_FALSE(is_flat(Layout::kNhwc, {2, 65536, 256}));
  EXPECT_TRUE(is_flat(Layout::kNhwc, {2, 65536, 257}));
  EXPECT_TRUE(is_flat(Layout::kNhwc, {2, 65537, 1}));
  EXPECT_FALSE(is_flat(Layout::kTokens, {70000, uint64_t{1} << 24}));
  EXPECT_TRUE(is_flat(Layout::kTokens, {1, (uint64_t{1} << 24) + 1}));
  EXPECT_TRUE(is_flat(Layout::kTokens, {1, uint64_t{1} << 24}, DType::kC64));
  EXPECT_FALSE(is_flat(Layout::kHeads, {4, 2, uint64_t{1} << 24}));
}

TEST(GeometryTest, PlanesAreCutInUnits) {
  const Extents heads = ExtentsOf({DType::kU8, {2, 6, 9, 5}, Layout::kHeads});
  EXPECT_FALSE(Geometry::Create(heads, 1, 7, 9).ok());
  const Geometry group = *Geometry::Create(heads, 1, 10, 4);
  EXPECT_EQ(group.segments_per_slab(), 3u);
  const Geometry head = *Geometry::Create(heads, 1, 5, 4);  // bands of one head are contiguous
  EXPECT_EQ(head.segments_per_slab(), 1u);
  CheckGrid(group);
  CheckGrid(head);
}

// Every sample of the tensor is in the segment and at the place that its item, plane, row and column say.
TEST(GatherScatterTest, EveryLayoutOrdersItsSegments) {
  const std::vector<uint64_t> shape = {3, 4, 6, 5};
  for (Layout layout : AllLayouts()) {
    for (DType dtype : {DType::kU32, DType::kC64}) {
      const Extents e = ExtentsOf({dtype, shape, layout});
      const uint64_t samples = 3 * 4 * 6 * 5 * e.components;
      std::vector<uint32_t> tensor(samples);
      for (size_t i = 0; i < samples; ++i) tensor[i] = static_cast<uint32_t>(i);
      for (uint64_t bands : {1, 2}) {
        const Geometry g =
            *Geometry::Create(e, 1, e.unit * std::min<uint64_t>(2, e.units()), (e.height + bands - 1) / bands);
        uint64_t slab_at = 0;
        for (uint64_t segment = 0; segment < g.num_segments(); ++segment) {
          const uint64_t slab_index = segment / g.segments_per_slab();
          const Box slab = g.SlabBox(slab_index), box = g.SegmentBox(segment);
          const auto* slab_data = reinterpret_cast<const std::byte*>(tensor.data()) + slab_at;
          std::vector<uint32_t> packed(g.SegmentBytes(box) / 4), slab_copy(g.SegmentBytes(slab) / 4);
          GatherBox(e, slab, box, slab_data, reinterpret_cast<std::byte*>(packed.data()));
          for (uint64_t i = 0; i < packed.size(); ++i) {
            // Of the place in the packed samples: item, plane, row, column.
            uint64_t item = 0, plane = 0, row = 0, x = 0;
            if (e.in_token_order()) {
              plane = i % box.planes(), row = i / box.planes() % box.rows(), item = i / box.planes() / box.rows();
            } else {
              x = i % e.width, row = i / e.width % box.rows(), plane = i / e.width / box.rows() % box.planes();
              item = i / e.width / box.rows() / box.planes();
            }
            item += box.item_begin, plane += box.plane_begin, row += box.row_begin;
            const uint64_t unit = item * e.units() + plane / e.unit;
            ASSERT_EQ(packed[i], ((unit * e.height + row) * e.width + x) * e.unit + plane % e.unit);
          }
          bool as_packed = true;
          for (size_t i = 0; i < packed.size(); ++i) as_packed = as_packed && packed[i] == packed[0] + i;
          const auto place = PackedPlace(e, slab, box);
          ASSERT_EQ(place.has_value(), as_packed);
          if (place) {
            ASSERT_EQ(*place, packed[0] * 4 - slab_at);
          }
          if (const auto places = PlacesOfPlanes(e, slab, box)) {
            const uint64_t plane_samples = box.rows() * e.width;
            for (size_t i = 0; i < packed.size(); ++i) {
              const uint64_t at = places->begin + i / plane_samples * places->stride + i % plane_samples * 4;
              ASSERT_EQ(packed[i] * 4, slab_at + at);
            }
          }
          ScatterBox(e, slab, box, reinterpret_cast<const std::byte*>(packed.data()),
                     reinterpret_cast<std::byte*>(slab_copy.data()));
          for (uint32_t sample : packed) ASSERT_EQ(slab_copy[sample - slab_at / 4], sample);
          if ((segment + 1) % g.segments_per_slab() == 0) slab_at += g.SegmentBytes(slab);
        }
        EXPECT_EQ(slab_at, samples * 4);
      }
    }
  }
}

TEST(GeometryTest, EmptyTensorsOfEveryLayoutHaveNoSlabs) {
  for (Layout layout : {Layout::kNchw, Layout::kNhwc, Layout::kTokens, Layout::kHeads, Layout::kFlat}) {
    for (DType dtype : {DType::kF32, DType::kC64}) {
      const Geometry geometry = Geometry::Choose(ExtentsOf({dtype, {2, 0, 3, 4}, layout}), {});
      EXPECT_EQ(geometry.segments_per_slab(), 1u);
      EXPECT_EQ(geometry.num_slabs(), 0u);
    }
  }
}

}  // namespace
}  // namespace dcac
