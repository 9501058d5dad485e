// The first call and the properties of Helicone's tutorial, in the words of its TypeScript example.
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: process.env.BASE_URL,
  apiKey: process.env.HELICONE_API_KEY,
  maxRetries: 0,
});
const answer = await client.chat.completions.create(
  { model: "gpt-4o-mini", messages: [{ role: "user", content: "Hello, world!" }] },
  { headers: { "Helicone-Property-Workflow": "research_agent", "Helicone-User-Id": "alice" } },
);
console.log(JSON.stringify(answer.choices[0].message.content));
