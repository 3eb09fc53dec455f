with spans as (
  select agent_id, team_id, valid_from,
         lead(valid_from) over (partition by agent_id order by valid_from) as valid_to
  from agent_team)
select s.team_id, count(*) as handled, avg(l.talk_ms) as talk_ms
from leg l
join spans s on l.agent_id = s.agent_id and l.entered_time >= s.valid_from
            and (s.valid_to is null or l.entered_time < s.valid_to)
where l.site_id = '00000001-0000-4000-8000-000000000006' and l.entered_time >= timestamptz '2026-03-24 00:00:00+00' and l.entered_time < timestamptz '2026-03-27 00:00:00+00'
group by s.team_id
