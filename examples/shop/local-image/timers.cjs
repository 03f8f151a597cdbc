// Prisma starts a timer of 10 s beside its advisory lock and never stops it: without this every command with the
// WebAssembly engine ends 10 s late. Loaded with NODE_OPTIONS=--require.
const { setTimeout: start } = globalThis

globalThis.setTimeout = Object.assign((callback, delay, ...values) => {
  const timer = start(callback, delay, ...values)
  return delay === 10000 ? timer.unref() : timer
}, start)
