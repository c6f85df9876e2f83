# The image of `atname`, for docker-compose.yml or alone. Which release of Rust is in Cargo.toml too;
# a test holds the two together.

FROM rust:1.95-slim-trixie AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked -p atname && \
    install -D -m 0755 target/release/atname /out/atname

FROM debian:trixie-slim
LABEL org.opencontainers.image.title="atname" \
      org.opencontainers.image.description="A registry of usernames on Bitcoin: indexer, resolver and command-line tool" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
# The folder is made here so that a new volume in its place belongs to the right user.
RUN groupadd --gid 10001 atname && \
    useradd --uid 10001 --gid atname --no-create-home --home-dir /var/lib/atname \
        --shell /usr/sbin/nologin --no-log-init atname && \
    install -d -o atname -g atname -m 0750 /var/lib/atname
COPY LICENSE-APACHE LICENSE-MIT /usr/share/doc/atname/
COPY --from=build /out/atname /usr/local/bin/atname
ENV ATNAME_DATA_DIR=/var/lib/atname
USER 10001:10001
WORKDIR /var/lib/atname
EXPOSE 8480
ENTRYPOINT ["atname"]
CMD ["--help"]
