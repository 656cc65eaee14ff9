# syntax=docker/dockerfile:1
# Builds the image of sidehook: one executable, the C library it is linked with, certificates and time zones, and
# nothing else. There is no shell in it.
#
#   docker build --tag sidehook .
#   docker buildx build --platform linux/amd64,linux/arm64 --tag sidehook .    cross-compiled, nothing is emulated

# The libraries that expressions are evaluated with, and a list of them.
FROM --platform=$BUILDPLATFORM node:20-bookworm-slim AS javascript
WORKDIR /js
COPY src/script/js/ ./
RUN npm ci --ignore-scripts --no-audit --no-fund \
    && npm sbom --sbom-format=cyclonedx >/sbom.json

FROM --platform=$BUILDPLATFORM rust:1.95.0-slim-bookworm AS build
ARG BUILDARCH
# What the executable is for, as BuildKit says: amd64 or arm64.
ARG TARGETARCH
# A profile of Cargo.toml.
ARG PROFILE=dist
# The image's own toolchain: rust-toolchain.toml asks for clippy and rustfmt too, which are not needed here.
ENV RUSTUP_TOOLCHAIN=1.95.0
# Lists the crates inside the executable, where scanners look for them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    cargo install --quiet --locked --debug cargo-auditable@0.7.7
# The linker of another architecture.
RUN if [ "${TARGETARCH:-amd64}" != "${BUILDARCH:-amd64}" ]; then \
        apt-get update \
        && apt-get install --yes --no-install-recommends "gcc-$(echo "$TARGETARCH" | sed 's/amd64/x86-64/; s/arm64/aarch64/')-linux-gnu" "libc6-dev-$TARGETARCH-cross" \
        && rm -rf /var/lib/apt/lists/*; \
    fi
WORKDIR /src
COPY --from=javascript /js /js
ENV SIDEHOOK_JS_BUNDLE=/js
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    machine="$(echo "${TARGETARCH:-amd64}" | sed 's/amd64/x86_64/; s/arm64/aarch64/')" \
    && target="$machine-unknown-linux-gnu" \
    && rustup target add "$target" \
    && if [ "${TARGETARCH:-amd64}" != "${BUILDARCH:-amd64}" ]; then \
        export "CARGO_TARGET_$(echo "$target" | tr a-z- A-Z_)_LINKER=$machine-linux-gnu-gcc"; \
    fi \
    && cargo auditable build --profile "$PROFILE" --locked --features nats,redis --bin sidehook --target "$target" \
    && install -D --mode=755 "target/$target/$(echo "$PROFILE" | sed 's/^dev$/debug/')/sidehook" /out/sidehook

# Everything else that is in the image, out of Debian's packages.
FROM --platform=$BUILDPLATFORM debian:bookworm-slim AS root
ARG TARGETARCH
COPY packaging/image/root /usr/local/bin/make-root
RUN make-root "${TARGETARCH:-$(dpkg --print-architecture)}" /root-of-image
COPY --from=build /out/sidehook /root-of-image/usr/local/bin/sidehook
COPY --from=javascript /sbom.json /root-of-image/usr/share/sidehook/sbom/javascript.cdx.json

FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="sidehook" \
    org.opencontainers.image.description="A webhook sidecar for NocoBase" \
    org.opencontainers.image.source="https://github.com/sidehook/sidehook" \
    org.opencontainers.image.documentation="https://github.com/sidehook/sidehook/tree/main/docs" \
    org.opencontainers.image.licenses="MIT OR Apache-2.0" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION"
COPY --from=root /root-of-image /
ENV PATH=/usr/local/bin
USER 10001:10001
WORKDIR /var/lib/sidehook
EXPOSE 13080
# A minute is what sidehook waits for a database that is still starting.
HEALTHCHECK --interval=10s --timeout=5s --start-period=70s --retries=3 CMD ["sidehook", "healthcheck"]
ENTRYPOINT ["sidehook"]
CMD ["serve"]
