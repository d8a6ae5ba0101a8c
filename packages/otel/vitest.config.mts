import { mergeConfig } from 'vitest/config'
import shared from '../../vitest.project.ts'

export default mergeConfig(shared, { test: { name: 'otel' } })
