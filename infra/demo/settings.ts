import type { z } from 'zod';
import type { projectSettings } from '../../domain/projects.ts';

/** What the demo project's visitors see. */
export const demoSettings: z.input<typeof projectSettings> = {
  chatbotName: 'Orrelby',
  siteName: 'Orrelby',
  contactEmail: 'help@orrelby.example',
  primaryColor: '#2f5d50',
  suggestedQuestions: [
    'How much is shipping?',
    'Can I return a lamp?',
    'Which lamp is good for reading?',
    'Do you ship to Norway?',
  ],
};
