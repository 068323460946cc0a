# The command line, for compose.yaml.
FROM node:24-slim
WORKDIR /refold
COPY . .
RUN npm ci
USER node
ENTRYPOINT ["node", "packages/cli/bin/refold.js"]
