# One image, unbuilt TypeScript: Node strips the types. Roles are arguments: api, controller, webhook, migrate.
FROM node:26-bookworm-slim

ENV NODE_ENV=production
WORKDIR /app

# In a layer of its own, so that a change of the sources downloads nothing. The optional packages are Node itself, for
# machines with an older one, and PostgreSQL for tests: the base image has the first, and production has no use for the
# second. No install script runs as root.
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts && npm cache clean --force

COPY LICENSE ./
COPY src ./src

# What Node makes of the sources, types stripped and compiled, stays in the image: a process starts sooner and 20 MB smaller
# (docs/performance.md). It is kept by user, so the one who runs it makes it; at run time nobody writes there.
ENV NODE_COMPILE_CACHE=/app/compile-cache
RUN mkdir "$NODE_COMPILE_CACHE" && chown 1000 "$NODE_COMPILE_CACHE"

# A number, so that the kubelet can check runAsNonRoot.
USER 1000
RUN node src/main.ts compile-cache
EXPOSE 3000 3001 8443
ENTRYPOINT ["node", "--max-semi-space-size=4", "src/main.ts"]
