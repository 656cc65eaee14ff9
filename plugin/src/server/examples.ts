// The workflows of examples/, which the page of the same name offers.

import contactForm from '../../../examples/contact-form.json';
import demoAsync from '../../../examples/demo-async.json';
import demoAuth from '../../../examples/demo-auth.json';
import demoSync from '../../../examples/demo-sync.json';
import fanOut from '../../../examples/fan-out.json';
import githubIssues from '../../../examples/github-issues.json';
import orderTotal from '../../../examples/order-total.json';
import reminder from '../../../examples/reminder.json';
import stripePayments from '../../../examples/stripe-payments.json';
import upsertContact from '../../../examples/upsert-contact.json';
import type { WorkflowFile } from './import';

const FILES = [
  demoSync,
  demoAsync,
  demoAuth,
  contactForm,
  upsertContact,
  orderTotal,
  fanOut,
  reminder,
  githubIssues,
  stripePayments,
] as unknown as WorkflowFile[];

/** An example, as the page lists it. */
export interface Example {
  key: string;
  title: string;
  description: string;
  /** Collections that are created with it where they are not there. */
  collections: string[];
}

export function examples(): Example[] {
  return FILES.map(({ key, title, description = '', collections = [] }) => ({
    key,
    title,
    description,
    collections: collections.map(({ name }) => String(name)),
  }));
}

/** The file of an example. */
export function exampleOf(key: unknown): WorkflowFile | undefined {
  return FILES.find((file) => file.key === key);
}
