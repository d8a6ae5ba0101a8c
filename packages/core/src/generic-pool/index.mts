// What `import` loads. Without it, the default export would be the whole CommonJS module.
export * from './index.ts'
export { genericPool as default } from './default-export.ts'
