# The image, built anywhere: `docker build -t lockstep:dev .` needs the Go image
# below. `make image` makes the same from a binary that it builds on the host.
ARG GO_IMAGE=golang:1.26
FROM ${GO_IMAGE} AS build
WORKDIR /src
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o /out/lockstep ./cmd/lockstep && mkdir /out/data

FROM scratch
COPY --from=build /out/lockstep /lockstep
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
ENV LOCKSTEP_DATA_DIR=/data LOCKSTEP_LISTEN=0.0.0.0:9092 LOCKSTEP_ADVERTISE=localhost:9092 LOCKSTEP_HTTP=0.0.0.0:9644
VOLUME /data
EXPOSE 9092 9644
HEALTHCHECK --interval=1s --timeout=3s --start-period=30s --retries=5 CMD ["/lockstep", "health", "--live"]
ENTRYPOINT ["/lockstep"]
CMD ["serve"]
