import type { Plugin } from 'vitest/config'

/**
 * A plugin for vitest that breaks the sources as they are loaded, and leaves the files alone: by the mutation that
 * FORKSAFE_MUTATION names, if it names one.
 */
export function mutation(name?: string): Plugin[]

/** @throws if the code has changed since the mutation was written */
export function mutated(code: string, find: string, replace: string): string
