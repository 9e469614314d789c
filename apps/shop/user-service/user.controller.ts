import { Body, Controller, Get, NotFoundException, Param, Post, UseInterceptors } from '@nestjs/common';
import { ChaosInterceptor } from '../support/chaos.js';
import { INSTANCE } from '../support/instance.js';
import { note } from '../support/journal.js';
import { type Receipt } from '../support/receipt.js';

interface User {
  id: string;
  name: string;
  /** Which instance answered. */
  servedBy: string;
}

const NAMES: Readonly<Record<string, string>> = { '1': 'Ada', '2': 'Grace', '3': 'Barbara', '4': 'Radia' };

@Controller('users')
@UseInterceptors(ChaosInterceptor)
export class UserController {
  @Get(':id')
  find(@Param('id') id: string): User {
    const name = NAMES[id];
    if (name === undefined) throw new NotFoundException(`There is no user ${id}`);
    return { id, name, servedBy: INSTANCE };
  }

  @Post(':id/visits')
  visit(@Body() { id }: Pick<Receipt, 'id'>): Receipt {
    note('visit', id);
    return { id, servedBy: INSTANCE };
  }
}
