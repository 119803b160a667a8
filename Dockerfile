FROM debian:12-slim AS build
WORKDIR /src
COPY deploy/install-deps deploy/
RUN deploy/install-deps
COPY . .
RUN cmake --preset release -DDCAC_BUILD_TESTS=OFF \
 && cmake --build --preset release \
 && cmake --install build/release --prefix /install --component programs --strip

FROM debian:12-slim
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends libgrpc++1.51 libhwy1 liblz4-1 libtbb12 libxxhash0 libzstd1 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 dcac \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir / --shell /usr/sbin/nologin dcac
COPY --from=build /install/bin/ /usr/local/bin/
USER 10001:10001
EXPOSE 50051
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["dcac-server", "health", "127.0.0.1:50051"]
ENTRYPOINT ["dcac-server"]
CMD ["--listen=0.0.0.0:50051"]
