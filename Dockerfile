# Greenroom's image: unbuilt TypeScript whose types Node strips. Roles, commands and agents are arguments:
#   api, controller, webhook, migrate, agent echo, agent-exec, doctor, …
#
# The base is named by its digest, because a tag may be another image tomorrow. There is no default: look one up,
#   docker buildx imagetools inspect node:26-bookworm-slim --format '{{.Manifest.Digest}}'
# and give it:
#   docker build --build-arg NODE_DIGEST=sha256:... -t greenroom:0.1.0 .
# docs/operate/image.md has the other arguments, and how to build it twice with the same layers.
ARG NODE_DIGEST
FROM node:26-bookworm-slim@${NODE_DIGEST} AS base
# npm is for the build and for people (npm run migrate, npm sbom): it asks no registry for news and writes no log to the
# read-only root.
ENV NODE_ENV=production \
    NPM_CONFIG_UPDATE_NOTIFIER=false \
    NPM_CONFIG_LOGS_MAX=0
WORKDIR /app

# A stage of its own, so that a change of the sources downloads nothing, and npm's cache stays out of the image. No install
# script runs.
FROM base AS dependencies
# "yes" adds LiveKit's library for Node, for agents that join rooms: 30 MB.
ARG ROOMS=no
COPY package.json package-lock.json ./
# The other optional packages are Node itself, for machines with an older one. npm's note of what is installed goes with them.
RUN case "$ROOMS" in \
      no) npm ci --omit=dev --omit=optional --ignore-scripts ;; \
      yes) npm ci --omit=dev --ignore-scripts && rm -r node_modules/node-linux-* node_modules/.package-lock.json \
        && find node_modules/.bin -xtype l -delete ;; \
      *) echo "ROOMS is yes or no, not '$ROOMS'" >&2; exit 1 ;; \
    esac
# A running program reads no declarations and no source maps.
RUN find node_modules -type f '(' -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' ')' -delete
# The image's package.json names what the image has, so "npm sbom" works in a container as well. The file is without the random
# number and the time that would differ in every build.
RUN npm pkg delete devDependencies
RUN npm sbom --omit=dev --sbom-format=cyclonedx >/tmp/sbom.json && node -e " \
    const { serialNumber, ...sbom } = JSON.parse(fs.readFileSync('/tmp/sbom.json')); delete sbom.metadata.timestamp; \
    fs.writeFileSync('sbom.cdx.json', JSON.stringify(sbom, null, 1))"

# The compile cache holds the sources without types, compiled, so a process starts sooner and 20 MB smaller
# (docs/laboratory.md). Node keeps it by user and by path, so it is filled here as it will be read; at run time it is not
# written.
FROM base AS compiled
COPY --from=dependencies /app/package.json ./
COPY --from=dependencies /app/node_modules ./node_modules
COPY src ./src
RUN mkdir compile-cache && chown 1000 compile-cache
USER 1000
RUN node src/main.ts compile-cache /app/compile-cache

FROM base
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=dependencies /app/package.json /app/sbom.cdx.json ./
COPY LICENSE ./
COPY src ./src
COPY --from=compiled /app/compile-cache ./compile-cache
ENV NODE_COMPILE_CACHE=/app/compile-cache
ARG NODE_DIGEST
ARG SOURCE=unknown
ARG REVISION=unknown
ARG VERSION=unknown
LABEL org.opencontainers.image.title="Greenroom" \
      org.opencontainers.image.description="Warm AI-agent pods for Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.base.name="docker.io/library/node:26-bookworm-slim" \
      org.opencontainers.image.base.digest="${NODE_DIGEST}"
# A number, so that the kubelet can check runAsNonRoot.
USER 1000
EXPOSE 3000 3001 3002 8080 8443
ENTRYPOINT ["node", "--max-semi-space-size=4", "src/main.ts"]
