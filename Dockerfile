# The service and the command line on Debian 12; deploy/build-image builds it, docs/operations.md says how to run it.
FROM debian:12-slim AS build
WORKDIR /src
COPY deploy/install-deps deploy/
RUN deploy/install-deps --build-only
COPY . .
RUN cmake --preset release -DDCAC_BUILD_TESTS=OFF \
 && cmake --build --preset release
# Apart, so that another revision of the same sources compiles one file.
ARG REVISION=unknown
RUN cmake -DDCAC_REVISION="$REVISION" build/release \
 && cmake --build --preset release \
 && cmake --install build/release --prefix /install --component programs --strip

FROM debian:12-slim
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      libcurl4 libgrpc++1.51 libhwy1 liblz4-1 libprometheus-cpp-core1.0 librocksdb7.8 libssl3 libtbb12 \
      libtomlplusplus3 libxxhash0 libzstd1 >/dev/null \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log \
 && groupadd --gid 10001 dcac \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir / --shell /usr/sbin/nologin dcac \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/dcac-server
COPY --from=build /install/bin/ /usr/local/bin/
USER 10001:10001
# The store's default place; the rest of the image may be read-only.
ENV STATE_DIRECTORY=/var/lib/dcac-server
VOLUME /var/lib/dcac-server
EXPOSE 50051 9464
STOPSIGNAL SIGTERM
# On a Unix socket, which needs neither certificate nor token: a command line of one's own has to keep it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["dcac-server", "health", "unix:/tmp/dcac.sock"]
ENTRYPOINT ["dcac-server"]
# Nobody outside reaches it: listening on the network takes certificates and tokens.
CMD ["--listen=unix:/tmp/dcac.sock"]

# Last, so that another revision of the same programs shares all layers.
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="dcac-server" \
      org.opencontainers.image.description="Lossless compression of neural-network activations, a gRPC service" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED" \
      org.opencontainers.image.base.name="debian:12-slim"
