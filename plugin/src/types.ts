// What people read about the two types; shared by both clients.

export const TRIGGER = {
  type: 'webhook',
  title: 'Webhook event',
  description:
    'Triggered when another system calls the URL of this workflow, by NocoBase or by sidehook beside it.',
};

export const RESPONSE = {
  type: 'response',
  title: 'Response',
  description:
    'Answers the caller of a synchronous webhook workflow with a status, headers and a body, and ends the workflow.',
  group: 'control',
};
