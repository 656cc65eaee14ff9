# syntax=docker/dockerfile:1

# The libraries that expressions are evaluated with.
FROM node:20-bookworm-slim AS javascript
WORKDIR /js
COPY src/script/js/ ./
RUN npm ci --ignore-scripts --no-audit --no-fund

FROM rust:1.95.0-slim-bookworm AS build
# The image's own toolchain: rust-toolchain.toml asks for clippy and rustfmt too, which are not needed here.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
COPY --from=javascript /js /js
ENV SIDEHOOK_JS_BUNDLE=/js
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked --bin sidehook \
    && install -D --mode=755 target/release/sidehook /out/sidehook

FROM debian:bookworm-slim
# Certificates for databases that speak TLS, and time zones for TZ.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/sidehook --shell /usr/sbin/nologin sidehook
COPY --from=build /out/sidehook /usr/local/bin/sidehook
USER 10001
WORKDIR /var/lib/sidehook
EXPOSE 13080
# A minute is what sidehook waits for a database that is still starting.
HEALTHCHECK --interval=10s --timeout=5s --start-period=70s --retries=3 CMD ["sidehook", "healthcheck"]
ENTRYPOINT ["sidehook"]
CMD ["serve"]
