import { afterRestore } from '@forksafe/core'

// SIGUSR2, because Node reserves SIGUSR1 for the inspector.
process.on('SIGUSR2', () => afterRestore())
