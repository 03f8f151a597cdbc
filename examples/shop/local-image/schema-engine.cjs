#!/usr/local/bin/node
// Stands where Prisma expects its native schema engine, which `migrate resolve` asks whether it can connect. The answer
// is yes: the adapter, which does the work, says so itself if it can not.
