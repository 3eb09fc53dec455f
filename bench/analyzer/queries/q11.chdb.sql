select *
from leg
where interaction_id = '{{interaction}}'
