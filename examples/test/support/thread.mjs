// The program of the threads: answers `ping`, adds numbers, or ends.
import { parentPort } from 'node:worker_threads'

parentPort.on('message', ({ ping, add, exit }) => {
  if (exit !== undefined) process.exit(exit)
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  parentPort.postMessage(add?.reduce((sum, number) => sum + number) ?? ping)
})
