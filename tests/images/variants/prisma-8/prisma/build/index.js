// Not Prisma: it only bears the name and the version, and must never be run.
console.error('this stands for Prisma 8')
process.exit(97)
