# The traffic of the banking example, from the root of the repository; compose.yaml builds it.
ARG GO_IMAGE=golang:1.26
FROM ${GO_IMAGE} AS build
WORKDIR /src
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags="-s -w" -o /traffic ./cmd/traffic

FROM scratch
COPY --from=build /traffic /traffic
USER 65532:65532
ENTRYPOINT ["/traffic"]
