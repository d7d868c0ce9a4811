# The gateway alone, as nobody, on a file system that it cannot change but for /data.
# Not built by CI yet: no Docker engine runs there. Reproduce bin/secondgate with ci/build.sh.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=docker
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/secondgate ./cmd/secondgate \
 && mkdir /out/data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/secondgate /secondgate
COPY --from=build /src/LICENSE /src/NOTICES /
# The directory comes with its owner, so that a fresh volume belongs to nonroot too.
COPY --from=build --chown=nonroot:nonroot /out/data /data
VOLUME /data
USER nonroot:nonroot
# A container's own loopback can be reached by nobody, so it listens on all addresses: publish the port on 127.0.0.1, or
# put a proxy that authenticates in front. The admin address stays inside.
ENV SECONDGATE_LISTEN=0.0.0.0:8080 \
    SECONDGATE_NON_LOOPBACK=true \
    SECONDGATE_ADMIN=127.0.0.1:8081 \
    SECONDGATE_BACKEND=sqlite:/data/secondgate.db
EXPOSE 8080
# Longer than the drain, so that the last answers are sent: docker run --stop-timeout 20
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=4s --start-period=30s --retries=3 CMD ["/secondgate", "healthcheck", "--admin", "http://127.0.0.1:8081"]
ENTRYPOINT ["/secondgate"]
CMD ["serve"]
