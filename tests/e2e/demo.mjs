// The page of the demo: every sample is sent by its button, and what has run appears with its jobs.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const { CHROMIUM, DEMO_URL, PICTURE } = process.env;
const ANSWERS = [
  'answered 201: {"ok":true,"amount":150}',
  'answered 202: {"accepted":true}',
  'answered 200: welcome',
];
const JOBS = [
  'enough: resolved',
  'accepted: resolved',
  'greeting: resolved "Hello Ada"',
  'welcome: resolved',
];

const profile = mkdtempSync(join(tmpdir(), 'sidehook-chromium-'));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: CHROMIUM,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-sync',
  ],
  viewport: { width: 1000, height: 760 },
  colorScheme: 'light',
});
let faults = 0;
try {
  const page = await context.newPage();
  page.on('pageerror', (error) => fault(`the page throws: ${error.message}`));
  page.on('console', (message) => message.type() === 'error' && fault(`the page says: ${message.text()}`));
  await page.goto(DEMO_URL);
  const buttons = page.getByRole('button', { name: 'Send a sample' });
  await buttons.nth(ANSWERS.length - 1).waitFor();
  for (const [i, answer] of ANSWERS.entries()) {
    await buttons.nth(i).click();
    await page.getByRole('status').filter({ hasText: answer }).waitFor();
  }
  const executions = page.locator('#executions');
  for (const job of JOBS) await executions.getByText(job).first().waitFor();
  const rows = await executions.locator('tr').count();
  if (rows !== ANSWERS.length) fault(`${rows} executions are shown`);
  if (PICTURE) await page.screenshot({ path: PICTURE, fullPage: true });
} catch (error) {
  fault(error.message);
} finally {
  await context.close();
  rmSync(profile, { recursive: true, force: true });
}
console.log(`${faults} faults`);
process.exit(faults ? 1 : 0);

function fault(text) {
  faults += 1;
  console.log(text);
}
