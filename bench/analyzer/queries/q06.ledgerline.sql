select legs, transfers, count(*) as interactions
from (select interaction_id, count(*) as legs, count(*) filter (where transferred) as transfers from leg group by interaction_id) per
group by legs, transfers
