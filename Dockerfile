# A static binary on busybox: the health check needs wget, nothing else does.
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false \
        -ldflags "-s -w -X main.version=${VERSION}" -o /assaybus ./cmd/assaybus \
    && mkdir /data

FROM busybox:1.37.0-musl
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /assaybus /usr/local/bin/assaybus
COPY --from=build --chown=65532:65532 /data /data
USER 65532:65532
# The page is for the container itself until it has a token: publish the port
# with ASSAYBUS_HTTP=0.0.0.0:8600 and ASSAYBUS_HTTP_TOKEN.
ENV ASSAYBUS_DATA=/data \
    ASSAYBUS_INSTRUMENTS=/etc/assaybus/instruments.yaml \
    ASSAYBUS_HTTP=127.0.0.1:8600
VOLUME /data
EXPOSE 8600
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD wget -q -O /dev/null http://127.0.0.1:8600/readyz
ENTRYPOINT ["/usr/local/bin/assaybus"]
CMD ["serve"]
