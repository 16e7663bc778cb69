# One image, unbuilt TypeScript: Node strips the types. Roles are arguments: api, controller, webhook, migrate.
#
# The base is named by its digest, because a tag may be another image tomorrow. There is no default: look one up,
#   docker buildx imagetools inspect node:26-bookworm-slim --format '{{.Manifest.Digest}}'
# and give it:
#   docker build --build-arg NODE_DIGEST=sha256:... -t greenroom:0.1.0 .
ARG NODE_DIGEST
FROM node:26-bookworm-slim@${NODE_DIGEST}

ENV NODE_ENV=production
WORKDIR /app

# A layer of its own, so that a change of the sources downloads nothing. The optional packages are Node itself, for machines
# with an older one, and PostgreSQL for tests. The base image has Node, and production does not use the other. No install
# script runs as root.
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts && npm cache clean --force

COPY LICENSE ./
COPY src ./src

# The compile cache holds the sources without types, compiled, so a process starts sooner and 20 MB smaller
# (docs/performance.md). Node keeps it by user, so the user who runs the image fills it. At run time it is not written.
ENV NODE_COMPILE_CACHE=/app/compile-cache
RUN mkdir "$NODE_COMPILE_CACHE" && chown 1000 "$NODE_COMPILE_CACHE"

# A number, so that the kubelet can check runAsNonRoot.
USER 1000
RUN node src/main.ts compile-cache
EXPOSE 3000 3001 3002 8443
ENTRYPOINT ["node", "--max-semi-space-size=4", "src/main.ts"]
