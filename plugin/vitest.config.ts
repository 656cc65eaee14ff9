import { defineConfig } from 'vitest/config';

// NocoBase provides these modules at run time; the tests stand in for it.
export default defineConfig({
  resolve: {
    alias: {
      '@nocobase/server': new URL('./tests/stand-ins/server.ts', import.meta.url).pathname,
      '@nocobase/utils': new URL('./tests/stand-ins/utils.ts', import.meta.url).pathname,
    },
  },
});
