-- A visitor may leave an address that nobody has proved (the assistant's sendEmail): null until it is verified.
alter table leads alter column verified_at drop not null;

-- Mails to the business that tell of a lead: erased with it.
alter table mails add column lead_id uuid references leads on delete cascade;
create index mails_lead on mails (lead_id) where lead_id is not null;
