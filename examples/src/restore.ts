import { afterRestore } from '@forksafe/core'

// SIGUSR1 is Node's own: it starts the inspector.
process.on('SIGUSR2', () => afterRestore())
