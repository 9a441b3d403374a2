# docker build . — the host alone, on nothing: no shell, no libc, no writable path.
ARG GO_IMAGE=golang:1.26
FROM ${GO_IMAGE} AS build
ARG VERSION=dev
WORKDIR /src
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false \
	-ldflags="-s -w -X github.com/ichor-replicator/ichor/host.version=${VERSION}" -o /ichor ./cmd/ichor

FROM scratch
# For a broker or a database that presents a public certificate.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /ichor /ichor
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s CMD ["/ichor", "status", "--alive", "-c", "/etc/ichor/ichor.yaml"]
ENTRYPOINT ["/ichor"]
CMD ["run", "-c", "/etc/ichor/ichor.yaml"]
